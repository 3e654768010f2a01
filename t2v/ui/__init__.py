"""The page in the browser: layout, behaviour, and nothing about how videos are made."""
