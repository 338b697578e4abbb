"""A stranger's detector: staff numbers and door codes, of a category that nothing else in Headgate knows."""

from __future__ import annotations

from collections.abc import Iterable

from headgate.kernel.detection import Candidate, DetectorManifest, Hit, Kind, Pattern


class _Staff:
    manifest = DetectorManifest(
        "detectors",
        "acme_staff",
        "Staff numbers and door codes of Acme.",
        kinds=(
            Kind("employee_number", "hr", word="EMPLOYEE"),
            Kind("door_code", "hr_site", is_restored=False),
        ),
    )
    patterns = (Pattern("employee_number", r"\bE-[0-9]{6}\b"), Pattern("door_code", r"\bDOOR-[0-9]{4}\b"))

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        return (Hit(candidate.start, candidate.end, candidate.pattern, 0.9),)


detector = _Staff()
