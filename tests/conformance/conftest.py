"""Lets a failed check of the shared suite show the values that it compared."""

import pytest

pytest.register_assert_rewrite(
    "tests.conformance.adapter_suite",
    "tests.conformance.store_parts",
    "tests.conformance.store_suite",
    "tests.conformance.subject",
    "tests.conformance.upload_suite",
    "tests.conformance.uploading",
)
