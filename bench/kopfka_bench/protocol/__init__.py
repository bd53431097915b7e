"""Kafka's protocol by hand: requests encoded once and sent over plain sockets, so that a broker is what is measured."""
