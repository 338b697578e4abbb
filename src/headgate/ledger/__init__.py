"""Records, logs, checkpoints, proofs, sealing.

Workers write records to journals (`JournalRecorder`). The shipper ships them to the database (`run_shipper`). The
sequencer adds them to the tenant's log and signs it (`run_sequencer`). Features read them (`LedgerReader`). Verifying a
log (`verify_log`) and proving a record (`prove`) need only the log's files.
"""

from headgate.ledger.keys import FileKeyRing, KeysOnDemand
from headgate.ledger.log_keys import LogKeys, read_verifier, verifier_path
from headgate.ledger.prove import check_bundle, prove
from headgate.ledger.pseudonyms import Pseudonymiser
from headgate.ledger.reader import (
    LedgerReader,
    OpenedPart,
    RecordFamily,
    RecordFilters,
    RecordList,
    StoredRecord,
)
from headgate.ledger.recorder import JournalRecorder
from headgate.ledger.seal import Sealer
from headgate.ledger.sequencer import Sequencer, SequencerSetup, run_sequencer
from headgate.ledger.shipper import Shipper, ShipperPace, run_shipper
from headgate.ledger.verify import verify_log

__all__ = [
    "FileKeyRing",
    "JournalRecorder",
    "KeysOnDemand",
    "LedgerReader",
    "LogKeys",
    "OpenedPart",
    "Pseudonymiser",
    "RecordFamily",
    "RecordFilters",
    "RecordList",
    "Sealer",
    "Sequencer",
    "SequencerSetup",
    "Shipper",
    "ShipperPace",
    "StoredRecord",
    "check_bundle",
    "prove",
    "read_verifier",
    "run_sequencer",
    "run_shipper",
    "verifier_path",
    "verify_log",
]
