"""The handlers of the data and admin APIs, a module for each group of them. Groups' APIs live in `groups/`."""
