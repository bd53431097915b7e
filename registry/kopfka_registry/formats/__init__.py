"""The three schema languages: what is a schema, when are two the same, and who can read whose data.

Pure: no I/O, nothing of subjects, versions or compatibility levels. One folder a language, all to the same contract.
"""
