"""concordiactl as it is, but a completion waits for the daemon as long as tests do: half a second is a person's."""

from typing import Final

import ctl.completing
from ctl.__main__ import main
from tests.support.patience import PATIENCE_S

PATIENT: Final = "tests.ctl.patient"

if __name__ == "__main__":
    vars(ctl.completing)["PATIENCE_S"] = PATIENCE_S
    main()
