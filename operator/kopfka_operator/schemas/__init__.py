"""`kopfka schemas`: work with the SchemaSubjects of files, before they are applied."""
