"""The stage `devices` on Faust and RocksDB."""
