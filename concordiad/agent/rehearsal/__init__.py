"""
The rehearsal agent: an honest stand-in for Claude Code, to try Concordia without credentials, and for tests.

`python -P -m concordiad.agent.rehearsal [flags]` speaks the stream-json of `claude -p`: the same lines, keys and
order where a daemon looks, measured against Claude Code 2.1.329. There is no model behind it, and it says so. What
it shall do stands in the prompt as orders (concordiad/agent/orders.py); anything else is echoed. Among the orders
are the misbehaviours of a real agent process, so that a test can have each by its name.

A tool really runs its command, as the user that this program runs as, and asks first.

It differs from the CLI on purpose in these points:
- a line that is written while a turn runs always gets a turn of its own: nothing is merged or folded in, whatever
  its `priority`, and `now` pre-empts nothing;
- of the slash commands only `/clear` is obeyed (without `client_composed`), and `@file` is never read;
- Bash asks every time, also for commands that only read; a pattern such as `Bash(ls:*)` allows nothing;
- history is written with each finished block instead of 0.3 s late: a death before a turn's first block loses the
  prompt, and in the first turn the session; a later death loses the turn's cost and nothing else;
- while nobody reads its output it waits, and stops reading too, instead of buffering without a bound.

Modules: `options` (flags), `desk` (input, output, signals, tools), `session` (memory and prices), `shapes` (of
lines), `speech` and `calls` (what is said and called in a turn), `turn` and `doing` (its beginning and end, and the
orders in between), `background` (commands that outlive their turn), `prompts` (as they come in), `__main__` (the
queue and the control requests).
"""
