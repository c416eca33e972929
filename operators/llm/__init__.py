"""Questions and answers, without any I/O: text, prompts, indexes, and how good answers are.

Read `passages` first: what flows through a pipeline that answers questions. `sage.middleware` has what calls models.
"""

from sage.operators.llm.bm25 import BM25
from sage.operators.llm.collection import Collection
from sage.operators.llm.errors import InvalidInput
from sage.operators.llm.exact import ExactIndex
from sage.operators.llm.extract import Citation, cited_sentences
from sage.operators.llm.fts5 import Fts5Index
from sage.operators.llm.fusion import reciprocal_rank_fusion
from sage.operators.llm.hashing import hash_embedding
from sage.operators.llm.index import Hit, TextIndex, VectorIndex
from sage.operators.llm.json_text import json_in
from sage.operators.llm.messages import Message, ToolCall, assistant, last_question, system, text_of, tool_result, user
from sage.operators.llm.optional import MissingPackage
from sage.operators.llm.passages import Document, Found, Passage, Question, question_of
from sage.operators.llm.prompt import Prompt, count_tokens
from sage.operators.llm.schema import check_schema, violations
from sage.operators.llm.scores import (
    exact_match,
    f1,
    mean_reciprocal_rank,
    normalised,
    precision_at,
    recall_at,
    reciprocal_rank,
)
from sage.operators.llm.split import TextSplitter
from sage.operators.llm.sqlite_vec_index import SqliteVecIndex
from sage.operators.llm.template import Template
from sage.operators.llm.text import content_words, sentences, token_spans, words
from sage.operators.llm.tools import Tool, WrongArguments, tool
from sage.operators.llm.usearch_index import UsearchIndex

__all__ = [
    "BM25",
    "Citation",
    "Collection",
    "Document",
    "ExactIndex",
    "Found",
    "Fts5Index",
    "Hit",
    "InvalidInput",
    "Message",
    "MissingPackage",
    "Passage",
    "Prompt",
    "Question",
    "SqliteVecIndex",
    "Template",
    "TextIndex",
    "TextSplitter",
    "Tool",
    "ToolCall",
    "UsearchIndex",
    "VectorIndex",
    "WrongArguments",
    "assistant",
    "check_schema",
    "cited_sentences",
    "content_words",
    "count_tokens",
    "exact_match",
    "f1",
    "hash_embedding",
    "json_in",
    "last_question",
    "mean_reciprocal_rank",
    "normalised",
    "precision_at",
    "question_of",
    "recall_at",
    "reciprocal_rank",
    "reciprocal_rank_fusion",
    "sentences",
    "system",
    "text_of",
    "token_spans",
    "tool",
    "tool_result",
    "user",
    "violations",
    "words",
]
