"""Care of an installation: doctor, copying a lake, inventory."""
