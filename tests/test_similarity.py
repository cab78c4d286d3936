import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertModel,
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    PreTrainedTokenizerFast,
)

from dataengine_utils import similarity
from dataengine_utils.errors import KitError

TEXTS = [
    "how many cats are there?",
    "how many dogs are there?",
    "what does the sign say?",
    "how many cats are",
]


def test_tfidf_is_scikit_learns():
    theirs = TfidfVectorizer(analyzer="char", ngram_range=(3, 3)).fit_transform(
        [f" {text} " for text in TEXTS]
    )
    ours = similarity.tfidf(TEXTS)
    assert (ours @ ours.T).toarray() == pytest.approx((theirs @ theirs.T).toarray())


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_texts_without_letters_are_alike_to_nothing(texts):
    assert similarity.distinct(similarity.tfidf(texts), 0.5, range(len(texts))) == list(range(len(texts)))


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A folder with a tiny tokenizer, in place of the models' names."""
    words = {
        word: n for n, word in enumerate(["[PAD]", "[UNK]", *sorted({w for t in TEXTS for w in t.split()})])
    }
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
    ).save_pretrained(tmp_path)
    monkeypatch.setattr(similarity, "SENTENCE_MODEL", str(tmp_path))
    monkeypatch.setattr(similarity, "CLIP_MODEL", str(tmp_path))
    torch.manual_seed(0)
    return tmp_path


def _small(**more):
    return dict(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        **more,
    )


@pytest.mark.parametrize("name", ["sentence", "clip"])
def test_encoders_give_unit_rows_that_padding_does_not_change(cached, name):
    model = (
        BertModel(BertConfig(**_small()))
        if name == "sentence"
        else CLIPTextModelWithProjection(
            CLIPTextConfig(**_small(projection_dim=8, eos_token_id=1, bos_token_id=1, pad_token_id=0))
        )
    )
    model.eval().save_pretrained(cached)
    vectors = similarity.vectorizer(name)
    rows = vectors(TEXTS)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    alone = np.concatenate([vectors([text]) for text in TEXTS])
    assert rows == pytest.approx(alone, abs=1e-5)


def test_the_first_in_the_order_stays():
    rows = np.array([[1, 0], [0.8, 0.6], [0, 1]])
    assert similarity.distinct(rows, 0.7, [0, 1, 2]) == [0, 2]
    assert similarity.distinct(rows, 0.7, [1, 0, 2]) == [1, 2]
    assert similarity.distinct(rows, 0.7, [2, 0, 1]) == [2, 0]
    assert similarity.distinct(rows, 0.5, [1, 0, 2]) == [1]


def test_what_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(similarity, "SENTENCE_MODEL", str(tmp_path / "gone"))
    with pytest.raises(KitError, match="gone' *, which cannot be loaded"):
        similarity.sentence(["x"])
    with pytest.raises(KitError, match="unknown similarity 'spacy'; known: clip, sentence, tfidf"):
        similarity.vectorizer("spacy")
