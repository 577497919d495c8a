"""The rehearsal agent speaks Claude Code's stream-json, but everything it says is marked as its own."""

from concordiad.core.agents.claude_code import ClaudeCode


class Rehearsal(ClaudeCode):
    """Speak with one process of the rehearsal agent."""

    is_rehearsal = True
