"""Where private keys are: a PEM file, the keyring of the operating system, or a hardware token.

A setting names the place of a role's keys (`signer_root`, `signer_log`, `signer_record`); which of the keys
there is the right one follows from the key file::

    place = open_place("pkcs11:token=ireu;module=/usr/lib/softhsm/libsofthsm2.so", role=Role.LOG, …)
    signer = place.find(key_file.active(Role.LOG))
"""

from ireu_governance.signers.location import KeyLocation, parse_location
from ireu_governance.signers.place import KeyPlace, NewKey, open_place

__all__ = ["KeyLocation", "KeyPlace", "NewKey", "open_place", "parse_location"]
