"""What both stages do besides the rules, told over ports; leaves out Kafka, Faust and RocksDB."""
