"""The REST API: Confluent's paths, parameters, bodies and error codes, over the registry."""
