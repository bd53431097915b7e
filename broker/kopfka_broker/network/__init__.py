"""Sockets: listeners, connections and their limits. What a request means is not known here: that is `dispatch`."""
