"""One file per vendor role: each implements a protocol of `ganops.ports` and translates the vendor's errors."""
