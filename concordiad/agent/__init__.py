"""Agent processes: how one is spawned, watched and ended, and the rehearsal agent that stands in for a real one."""
