"""Facts of a small search, for the tests of the record."""

from lrtune.tuning.record.schema import DataFacts, SearchFacts, TrainerFacts
from lrtune.tuning.space import Space

FACTS = SearchFacts(
    version="1",
    data=DataFacts("iris", "species", "sklearn", 150, 4),
    seed=0,
    replicates=2,
    trainer=TrainerFacts("MLPClassifier", "classification", "log_loss", 3, {"max_iter": 3}),
    metric="loss",
    scoring=None,
    data_hash="d",
    splits_hash="s",
    space=Space.default(3, learning_rate_init=(0.01, 1.0), decay=["cosine"]),
    block_size=16,
)
