"""Whether drafting tokens by n-gram pays: one step that checks several drafted tokens, against a step for each.

A step then carries k + 1 tokens of each sequence through the same messages. With the chance `a` that a
drafted token is right, given that those before it were, it yields 1 + a + a^2 + ... + a^k tokens
(Leviathan et al. 2023, equation 1). No second model is needed: drafts are what followed the last words
earlier in the text, so `a` depends on the text: near 0 for free prose, above 0.5 where answers quote prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from homecluster.domain.workload import Serve
from homecluster.planner import step
from homecluster.planner.step import Copy

DRAFTS: Final = 4
"""Drafted tokens a step: more add bytes to every message, and rarely all of them are right."""
SHOWN_ACCEPTANCES: Final = (0.3, 0.6, 0.9)
_BISECTIONS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Speculated:
    """Decoding with drafts beside decoding without."""

    drafts: int
    plain_interval_s: float
    """From token to token without drafts."""
    step_s: float
    """One step that checks the drafts."""

    def gain(self, acceptance: float) -> float:
        """Tokens per second with drafts over those without, between two tokens of a request."""
        return tokens_per_step(acceptance, self.drafts) * self.plain_interval_s / self.step_s

    @property
    def least_acceptance(self) -> float | None:
        """Where drafting begins to pay; None where it does not even if every draft is right."""
        if self.gain(1.0) <= 1.0:
            return None
        return acceptance_of(self.step_s / self.plain_interval_s, self.drafts)


def tokens_per_step(acceptance: float, drafts: int) -> float:
    """1 + a + ... + a^k."""
    return sum(acceptance**place for place in range(drafts + 1))


def acceptance_of(tokens: float, drafts: int) -> float:
    """The chance of a right draft at which a step yields so many tokens: what a measured run says of `a`."""
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if tokens_per_step(middle, drafts) > tokens else (middle, high)
    return high


def speculated(copy: Copy, workload: Serve, *, running: float, drafts: int = DRAFTS) -> Speculated:
    """For `running` requests in this copy.

    A step that checks drafts is costed as one with k + 1 times the sequences that share one cache: their
    arithmetic, logits and messages grow, the weights and the cache are read once.
    """
    context = workload.prompt_tokens + workload.output_tokens / 2
    tokens = drafts + 1
    plain = step.decode_step(copy, sequences=running, context_tokens=context)
    checking = step.decode_step(copy, sequences=running * tokens, context_tokens=context / tokens)
    return Speculated(
        drafts=drafts, plain_interval_s=plain.path.total_s, step_s=checking.path.total_s
    )
