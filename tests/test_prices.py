"""Prices: the worst before a request is sent, the exact one after; a table that people can edit."""

import pytest
import yaml

from dataengine_utils import images, prompts
from dataengine_utils.errors import KitError
from dataengine_utils.records import Query
from dataengine_utils.teachers.prices import TABLE, Price, count_prompt, price_of, token_counter

GPT = Price(2.0, 8.0, cached=0.5, batch=0.5)


def test_a_reply_costs_what_it_used():
    assert GPT.cost(1_000_000, 0) == 2.0
    assert GPT.cost(0, 1_000_000) == 8.0
    assert GPT.cost(1_000_000, 500_000, cached=400_000) == pytest.approx(1.2 + 0.2 + 4.0)
    assert GPT.cost(1000, 100, way="batch") == GPT.cost(1000, 100) / 2
    assert Price(2.0, 8.0).cost(1000, 0, cached=1000) == 0.002, "without a price of their own, as any input"
    assert Price(2.0, 8.0, cache_write=2.5).cost(1_000_000, 0, written=1_000_000) == 2.5


@pytest.mark.parametrize("price", [GPT, Price(2.0, 10.0, 0.2, 2.5), Price(0.0, 0.0)])
@pytest.mark.parametrize("way", ["live", "batch"])
def test_nothing_costs_more_than_the_worst(price, way):
    worst = price.worst(1000, 500, way=way)
    for cached, written, said in [(0, 0, 500), (1000, 0, 500), (0, 1000, 500), (300, 700, 1)]:
        assert price.cost(1000, said, cached=cached, written=written, way=way) <= worst


def test_every_line_of_the_table_can_be_read_and_says_where_it_is_from():
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    assert "openai.com" in table["source"] and str(table["read"])[:2] == "20"
    for model in table["models"]:
        price = price_of(model)
        assert 0 < price.input < price.output and 0 < price.batch <= 1
        assert price.cached is None or price.cached < price.input
    assert price_of("gpt-4-1106-preview").input == 10.0, "the paper's teacher"


def test_a_dated_model_costs_what_its_name_does_unless_it_is_listed():
    assert price_of("gpt-4o-2024-08-06") == price_of("gpt-4o")
    assert price_of("gpt-4o-mini-2024-07-18") == price_of("gpt-4o-mini") != price_of("gpt-4o")


@pytest.mark.parametrize("given", [5, "2.5", [2.5, 10]])
def test_a_price_that_is_no_table_is_told(given):
    with pytest.raises(KitError, match=r"teacher_options.price is .*; expected a table with input, output"):
        price_of("my-model", price=given)


def test_an_unknown_model_is_told_with_the_file_and_the_option():
    with pytest.raises(KitError) as error:
        price_of("my-model")
    for part in ("'my-model'", "prices.yaml", "gpt-4o", "teacher_options.prices", "teacher_options.price"):
        assert part in str(error.value)


def test_a_table_or_price_of_ones_own(tmp_path):
    table = tmp_path / "prices.yaml"
    table.write_text("defaults: {batch: 0.25}\nmodels:\n  mine: {input: 1, output: 2}\n")
    assert price_of("mine", table) == Price(1, 2, batch=0.25)
    assert price_of("mine", None, {"input": 0, "output": 0}).worst(10**6, 10**6) == 0.0
    with pytest.raises(KitError, match="no price for model 'gpt-4o'"):
        price_of("gpt-4o", table)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models: [", "not YAML"),
        ("models:\n  m: 3\n", "m is 3"),
        ("- a\n", "has no 'models'"),
        ("defaults: 3\nmodels: {}\n", "has no 'models'"),
        ("models:\n  m: {input: 1}\n", "output is missing"),
        ("models:\n  m: {input: -1, output: 1}\n", "input is -1"),
        ("models:\n  m: {input: 1, output: .nan}\n", "output is nan"),
        ("models:\n  m: {input: a, output: 1}\n", "input is 'a'"),
        ("models:\n  m: {input: 1, output: true}\n", "output is True"),
        ("models:\n  m: {input: 1, output: 1, inputs: 1}\n", "unknown price 'inputs'; known: input, output"),
        (None, "no file"),
    ],
)
def test_bad_tables_are_told_clearly(tmp_path, text, told):
    table = tmp_path / "prices.yaml"
    if text is not None:
        table.write_text(text)
    with pytest.raises(KitError, match=told) as error:
        price_of("m", table)
    assert "prices.yaml" in str(error.value)


def test_prompts_are_counted_with_their_pictures():
    source = images.load("picturebook")
    record = source.record(source.ids()[0])
    query = Query("q", "Instance Identity", record.image_id, ())
    messages = prompts.render(prompts.base_template(), query, record).messages
    count = token_counter("some-model")
    plain = count_prompt(messages, GPT, count)
    letters = sum(len(message["content"]) for message in messages)
    assert letters / 6 < plain < letters / 1.5
    picture = {"type": "image_url", "image_url": {"url": "data:"}}
    parts = [{"type": "text", "text": messages[-1]["content"]}, picture]
    with_picture = count_prompt([*messages[:-1], {"role": "user", "content": parts}], GPT, count)
    assert with_picture == plain + GPT.image_tokens
