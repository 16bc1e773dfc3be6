"""Every error that GanOps raises, in one tree.

GanOpsError                      exit code 1: it went wrong
├── UserError       (ValueError) exit code 2: wrong use, and what to do instead
│   ├── ConfigError              params.yaml: a key, a value, a combination
│   ├── WorkspaceError           no workspace, not writable, no git
│   ├── WorkspaceBusy            another run holds the workspace
│   ├── DamagedFile              a stored file was changed, cut short or made unreadable
│   │   └── SnapshotError        a snapshot or checkpoint is damaged, of another kind or of no use
│   └── UnknownName              a candidate, stage or version that does not exist
├── DataRefused     (ValueError) exit code 3: the data, not the command, is at fault
│   ├── SourceRefused            a source that cannot be read as images
│   ├── ValidationFailed         a critical rule of the validation does not hold
│   └── TooFewImages             a split would be too small to measure anything
├── ExtractorError               the pinned extractor is too weak to judge by
├── Unreachable                  what is fetched from the network could not be
├── NoRoom                       a disk that is full, memory that is short
├── LockTimeout                  another promotion did not end in time
├── Unhealthy                    `ganops doctor` found what it did not put right
├── AuditFailed                  something is not as it was stated
├── RunStopped                   somebody stopped it
├── TrainingFailed               the loss, a gradient, a weight or an image is not finite
├── IncomparableReports (ValueError)  two scores that must not be compared
└── VendorError                  translated once, where the vendor is called
    ├── PipelineError            DVC
    ├── RankLost                 torchrun: a process of a training on several devices died or hung
    │   └── RankGone             within one of them: another ended while this one waited
    ├── TrackingError            MLflow tracking
    ├── RegistryError            MLflow registry: always means "no promotion"
    └── FlowError                Prefect

A message is one paragraph for a person: what is wrong, where, and what to do.
Programmers' mistakes are `assert`s and are not in this tree.
"""

import errno


class GanOpsError(Exception):
    """The root. Caught in one place only: the command line."""

    exit_code = 1


class UserError(GanOpsError, ValueError):
    """Wrong use: the command or the configuration has to change."""

    exit_code = 2


class ConfigError(UserError):
    """`params.yaml` names an unknown key, an impossible value or an impossible combination."""


class WorkspaceError(UserError):
    """There is no workspace here, it is not writable, or git is missing."""


class WorkspaceBusy(UserError):
    """Another process runs in the same workspace."""


class DamagedFile(UserError):
    """A stored file is not what was written; the message names it and says how to get it back."""


class SnapshotError(DamagedFile):
    """A snapshot or checkpoint is damaged, belongs to another configuration, or makes no images."""


class UnknownName(UserError):
    """A candidate, stage or model version that does not exist."""


class DataRefused(GanOpsError, ValueError):
    """The data is at fault: nothing was written, nothing promoted."""

    exit_code = 3


class SourceRefused(DataRefused):
    """A source that cannot be read as images."""


class ValidationFailed(DataRefused):
    """A critical rule of the validation does not hold."""


class TooFewImages(DataRefused):
    """A split would hold too few images to train on or to measure with."""


class ExtractorError(GanOpsError):
    """The pinned feature extractor is too weak to judge generators by."""


class Unreachable(GanOpsError):
    """What has to be fetched from the network could not be; the message says how to do without."""


class NoRoom(GanOpsError):
    """The disk is full, a limit on files or memory is reached: nobody's mistake; the message says what is kept."""


class LockTimeout(GanOpsError):
    """Another promotion held the lock for longer than this one may wait."""


class Unhealthy(GanOpsError):
    """Registry and journal do not agree, or cannot be asked."""


class AuditFailed(GanOpsError):
    """Something is not as it was stated, or could not be made again."""


class RunStopped(GanOpsError):
    """It was stopped from outside; the message says what is kept, and nothing is tried again."""

    exit_code = 130


class TrainingFailed(GanOpsError):
    """A loss, gradient, weight or image is no longer finite."""


class IncomparableReports(GanOpsError, ValueError):
    """Two scores whose protocols differ; the message names the field."""


class VendorError(GanOpsError):
    """A vendor failed; the message says which, doing what, and what it said."""


class PipelineError(VendorError):
    """DVC."""


class RankLost(VendorError):
    """torchrun: a process of a training on several devices died or hung. Running again resumes."""


class RankGone(RankLost):
    """Of the waiting process: another one ended, which is why it had no answer; it did not wait its time."""


class TrackingError(VendorError):
    """MLflow tracking."""


class RegistryError(VendorError):
    """The MLflow registry. Always means: no promotion."""


class FlowError(VendorError):
    """Prefect."""


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def unwritable(error: OSError, said: str) -> NoRoom | WorkspaceError:
    """What to raise where a file of a workspace cannot be written: the user can mend all but a full disk."""
    return NoRoom(said) if error.errno in _FULL else WorkspaceError(said)
