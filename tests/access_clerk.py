"""A process that uses a folder of access until it is killed.

python access_clerk.py DATA_FOLDER audit NAME      writes the audit; prints `kept N` after the Nth is on the disk
python access_clerk.py DATA_FOLDER disable NAME    disables a person
"""

from __future__ import annotations

import sys
from pathlib import Path

from sidebooks_core.access import Access


def main(data_dir: Path, what: str, name: str) -> None:
    with Access(data_dir) as access:
        if what == "disable":
            person = access.find_person(name)
            assert person is not None
            access.change_person(person.id, is_disabled=True, who="another process")
            return
        number = 0
        while True:
            number += 1
            access.audit("read", who=name, detail=f"queued {number}")
            access.audit_now("wrote", who=name, detail=str(number))
            print("kept", number, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
