"""Files that are whole or not there, and files of strangers, which are checked before use."""
