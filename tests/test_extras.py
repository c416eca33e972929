import json
import sys

import pytest

from sage.errors import NotAvailable
from sage.extras import needed


def test_a_module_that_is_there() -> None:
    assert needed("json", extra="serve", purpose="serving") is json
    assert needed("json.decoder", extra="serve", purpose="serving") is json.decoder


def test_what_is_missing_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(NotAvailable, match=r'^a model needs torch: pip install "sage-streams\[transformers\]" \(.*\)$'):
        needed("torch", extra="transformers", purpose="a model")
    with pytest.raises(NotAvailable, match="needs sage_no_such_package: pip install"):
        needed("sage_no_such_package.inner", extra="serve", purpose="serving")
