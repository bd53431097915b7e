"""Streams groups of KIP-1071: instances of one Kafka Streams application tell their topology, the coordinator has its
internal topics made, and gives tasks out.
"""
