"""The schema registry's REST API (Confluent's) as the operator and `kopfka schemas` use it."""
