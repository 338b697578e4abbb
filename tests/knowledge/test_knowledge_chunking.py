"""Passages: their structure, their size by the embedder's own tokenizer, and time that grows with the text."""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from headgate.gateway.embedded.embedder import MAX_TOKENS
from headgate.gateway.embedded.weights import find_weights
from headgate.knowledge.blocks import Block, BlockKind, Box, ReadFile
from headgate.knowledge.chunking import context_title, passages_of
from headgate.knowledge.passages import Passage
from headgate.knowledge.readers.formats import read_file
from headgate.knowledge.readers.raw_file import Limits

ROOT = Path(__file__).parents[2]
SENTENCE = "The traveller hands in each receipt within thirty days after the end of the journey. "
OTHER_TEXTS = {
    "German": "Die Geschwindigkeitsüberschreitung des Kraftfahrzeughalters wird gemäß § 24 Straßenverkehrsgesetz als"
    " Ordnungswidrigkeit geahndet; der Bußgeldbescheid ergeht schriftlich. ",
    "French": "Le salarié doit présenter l’ensemble des justificatifs dans un délai de trente jours. ",
    "Polish": "Pracownik jest zobowiązany przedłożyć wszystkie rachunki w ciągu trzydziestu dni od podróży. ",
    "Finnish": "Työntekijän on toimitettava kuitit kolmenkymmenen päivän kuluessa matkan päättymisestä esimiehelleen. ",
    "Turkish": "Çalışanlar seyahatin bitiminden itibaren otuz gün içinde tüm makbuzları ibraz etmelidir. ",
    "Vietnamese": "Nhân viên phải nộp tất cả các hóa đơn trong vòng ba mươi ngày sau khi kết thúc chuyến đi. ",
    "Russian": "Сотрудник обязан представить авансовый отчёт в течение тридцати дней после окончания командировки. ",
    "Greek": "Ο εργαζόμενος οφείλει να υποβάλει όλες τις αποδείξεις εντός τριάντα ημερών. ",
    "Arabic": "يجب على الموظف تقديم جميع الإيصالات خلال ثلاثين يوما من انتهاء الرحلة. ",
    "Hindi": "कर्मचारी को यात्रा समाप्त होने के तीस दिनों के भीतर सभी रसीदें जमा करनी होंगी। ",
    "Thai": "พนักงานต้องส่งใบเสร็จทั้งหมดภายในสามสิบวันหลังจากสิ้นสุดการเดินทาง ",
    "Korean": "출장자는 여행 종료 후 삼십일 이내에 모든 영수증을 제출하여야 한다. ",
    "Chinese": "公司员工出差时应当在三十日内提交所有报销单据，逾期不予受理。财务部门负责人批准的除外。",
    "Japanese": "出張旅費規程に基づき、従業員は帰着後三十日以内に領収書を提出しなければならない。カタカナも。",
    "figures": "12.345,67 2024-01-31T12:00:00Z +49 30 1234567 0xDEADBEEF 550e8400-e29b-41d4-a716-446655440000 ",
    "mathematics": "∑_{i=0}^{n} x_i² ≤ ∫f(x)dx ± 0.5·10⁻³ → ∀ε>0 ∃δ: |x−y|<δ ⇒ … ",
    "chemistry": "The 2-methylpropan-2-ol and N,N-dimethylformamide was for the hyperparathyroidism. ",
    "emoji": "😀👍🏽 ok 🎉🎉 ",
    "one long word": "Donaudampfschifffahrtsgesellschaftskapitän",
    "base64": base64.b64encode(random.Random(7).randbytes(600)).decode(),
    "capitals": "SUPPLIER INVOICE NUMBER XK4711 NET PAYABLE WITHIN THIRTY DAYS FROM RECEIPT. ",
}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    found = Tokenizer.from_file(str(find_weights().embedder_folder / "tokenizer.json"))
    found.no_truncation()
    found.no_padding()
    return found


def refused(file: ReadFile, tokenizer: Tokenizer, *, title: str) -> list[int]:
    """The sizes of the passages that the embedder would refuse."""
    texts = [passage.in_context(title=context_title(title)) for passage in passages_of(file, title=title)]
    assert texts
    sizes = [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]
    return [size for size in sizes if size > MAX_TOKENS - 2]


@pytest.mark.parametrize("text", OTHER_TEXTS.values(), ids=OTHER_TEXTS)
def test_the_embedder_takes_each_passage_in_any_language(text: str, tokenizer: Tokenizer) -> None:
    mixed = Block(kind="text", text=SENTENCE * 4 + text * 6 + SENTENCE * 4 + text * 6)
    alone = [Block(kind=kind, text=text * 80) for kind in ("text", "list", "code")]
    heading = Block(kind="heading", text=text * 10, level=1)
    file = ReadFile(media_type="text/plain", blocks=[heading, *alone, mixed])
    assert refused(file, tokenizer, title=text * 4) == []


def test_the_embedder_takes_each_passage_of_real_documents_and_code(tokenizer: Tokenizer) -> None:
    paths = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("src/headgate/gateway/**/*.py"), *ROOT.glob("*.md")]
    assert len(paths) > 60
    for path in paths:
        file = read_file(path.read_bytes(), name=path.name, limits=Limits())
        assert refused(file, tokenizer, title=file.title or path.name) == []


def test_passages_use_most_of_the_room_that_the_embedder_has(tokenizer: Tokenizer) -> None:
    text = " ".join(path.read_text() for path in sorted(ROOT.glob("docs/decisions/*.md"))[:20]).replace("\n", " ")
    passages = passages_of(ReadFile(media_type="text/plain", blocks=[Block(kind="text", text=text)]))
    sizes = [len(tokenizer.encode(passage.text).ids) for passage in passages]
    assert sum(sizes) / len(sizes) > 0.55 * MAX_TOKENS


def test_passages_carry_their_headings_and_never_join_sections() -> None:
    passages = of_markdown(
        "# Policy\nIntro.\n\n## Receipts\nWithin thirty days.\n\nOr later.\n\n### Abroad\nIn euros.\n\n"
        "### At home\nAlso.\n\n## Empty\n\n## Rates\n- one\n- two\n"
    )
    assert [(passage.headings, passage.text) for passage in passages] == [
        (("Policy",), "Intro."),
        (("Policy", "Receipts"), "Within thirty days.\n\nOr later.\n\nAbroad\nIn euros.\n\nAt home\nAlso."),
        (("Policy",), "Empty"),
        (("Policy", "Rates"), "- one\n- two"),
    ]
    assert passages[1].in_context(title="Travel").startswith("Travel › Policy › Receipts\nWithin")


def test_a_long_paragraph_is_cut_after_sentences_into_parts_of_about_equal_size() -> None:
    passages = of_markdown(SENTENCE * 20)
    assert len(passages) > 1
    assert all(passage.text.endswith("journey.") for passage in passages)
    sizes = [len(passage.text) for passage in passages]
    assert min(sizes) > 0.5 * max(sizes)
    assert " ".join(passage.text for passage in passages) == (SENTENCE * 20).strip()


def test_a_table_stays_whole_where_it_fits_and_else_each_part_has_its_header() -> None:
    rows = [f"| Germany {at} | {at} EUR |" for at in range(60)]
    whole = of_markdown("Before it.\n\n| Country | Rate |\n|---|---|\n" + "\n".join(rows[:5]) + "\n\nAfter it.")
    assert len(whole) == 1
    parts = of_markdown("| Country | Rate |\n|---|---|\n" + "\n".join(rows))
    assert len(parts) > 2
    assert all(part.text.startswith("Country | Rate\nGermany ") for part in parts)
    assert [row for part in parts for row in part.text.split("\n")[1:]] == [row.strip("| ") for row in rows]


def test_code_is_cut_at_the_ends_of_lines() -> None:
    lines = [f"    value_{at} = compute(value_{at - 1}, {at})" for at in range(100)]
    passages = passages_of(ReadFile(media_type="text/x-python", blocks=[Block(kind="code", text="\n".join(lines))]))
    assert [line for passage in passages for line in passage.text.split("\n")] == lines


def test_a_part_of_a_paragraph_has_the_boxes_of_its_lines_as_one_rectangle() -> None:
    boxes = tuple(Box(1, 0.1, 0.1 + 0.02 * at, 0.9, 0.118 + 0.02 * at) for at in range(20))
    block = Block(kind="text", text=SENTENCE * 20, boxes=boxes)
    passages = passages_of(ReadFile(media_type="application/pdf", blocks=[block], pages=1))
    assert len(passages) > 1
    assert all(len(passage.boxes) == 1 for passage in passages)
    assert passages[0].boxes[0].top == 0.1
    assert passages[-1].boxes[0].bottom == pytest.approx(0.498)
    for one, other in pairwise(passages):
        assert -0.045 < other.boxes[0].top - one.boxes[0].bottom < 0.005  # they share a line at most


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(
            Block,
            kind=st.sampled_from(cast("list[BlockKind]", ["heading", "text", "list", "table", "code"])),
            text=st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=400).filter(str.strip),
            level=st.integers(1, 2),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_no_text_is_lost_whatever_the_blocks_are(blocks: list[Block]) -> None:
    passages = passages_of(ReadFile(media_type="text/plain", blocks=blocks), most_tokens=200)
    kept = "".join("".join(passage.text.split()) for passage in passages)
    for block in blocks:
        if block.kind not in ("heading", "table"):  # parts of tables have the header between them
            assert "".join(block.text.split()) in kept


HOSTILE: dict[str, Callable[[int], str]] = {
    "one line.txt": lambda size: "x" * size,
    "words.txt": lambda size: "word " * (size // 5),
    "ends.txt": lambda size: "." * size,
    "empty lines.py": lambda size: "a\n\n" * (size // 3),
    "deep lists.md": lambda size: "".join(" " * (at % 300) + "- a\n" for at in range(size // 150)),
    "headings.md": lambda size: "".join(f"{'#' * (1 + at % 6)} a\n" for at in range(size // 6)),
    "open links.md": lambda size: "[a](" * (size // 4),
    "stars.md": lambda size: "**a" * (size // 3),
    "comments.md": lambda size: "<!--" * (size // 4),
    "a wide table.md": lambda size: "|a" * (size // 2) + "\n|-|\n",
    "comments.html": lambda size: "text" + "<!-" * (size // 4),
    "quotes.html": lambda size: "text" + "<a x='y\" " * (size // 10),
    "deep.html": lambda size: "<div>a" * (size // 6) + "</p>" * (size // 4),
    "quotes.csv": lambda size: '"a,' * (size // 3),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_costs_linear_time(name: str) -> None:
    def seconds(size: int) -> float:
        data = HOSTILE[name](size).encode()
        begun = time.process_time()
        passages_of(read_file(data, name=name, limits=Limits()))
        return time.process_time() - begun

    small = max(min(seconds(40_000) for _ in range(2)), 0.01)
    assert seconds(320_000) < 24 * small  # 8 times the text; quadratic time would be 64 times


def of_markdown(text: str) -> list[Passage]:
    return passages_of(read_file(text.encode(), name="a.md", limits=Limits()))
