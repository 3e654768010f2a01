"""The methods that the paper compares itself with (Table 1), each behind one small interface."""
