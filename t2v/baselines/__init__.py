"""Other methods, to compare the paper's with: from its Table 1 and newer ones, by one interface."""
