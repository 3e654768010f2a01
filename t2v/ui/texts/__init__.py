"""The texts of the page in several languages: English in the code, the others in one file each."""
