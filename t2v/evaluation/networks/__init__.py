"""Networks that metrics need: from local files alone, checked before anything is built."""
