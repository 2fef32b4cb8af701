"""Every fault by its name."""

from __future__ import annotations

from sandbox.aws.faults.account import FreePlan, QuotaUsedUp, RegionDisabled, Throttling
from sandbox.aws.faults.fault import Fault
from sandbox.aws.faults.resources import (
    LaunchFails,
    NamesBusy,
    ProfileDelay,
    StaleReads,
    VolumeOptimizing,
    ZoneWithoutType,
)

KINDS: dict[str, type[Fault]] = {
    kind.name: kind
    for kind in (
        NamesBusy,
        ProfileDelay,
        ZoneWithoutType,
        LaunchFails,
        VolumeOptimizing,
        StaleReads,
        Throttling,
        FreePlan,
        QuotaUsedUp,
        RegionDisabled,
    )
}
