"""What `invite create` asks before others come: whose login a room runs on."""

import os
from typing import Final

from concordiad.agent.service import as_in_service
from concordiad.config import read_config
from concordiad.config.places import find_agent_socket, find_file
from concordiad.errors import ConfigError
from ctl.health import Status
from ctl.health.agents import CAUTION, Place, check_agent
from ctl.health.store import store_of

LOGIN: Final = "login of {}"


def is_personal(agent_name: str, *, is_service: bool) -> bool | None:
    """
    Look whether an agent answers on one person's own login; asks its program, which takes a second or so.

    Returns: None where that cannot be seen from here, as with a daemon of another user or another configuration.
    """
    path = find_file(os.environ, is_service=is_service)
    try:
        agent_socket = find_agent_socket(as_in_service(path, os.environ))
        config = read_config(path, agent_socket) if path.exists() else None
    except ConfigError:
        return None
    if config is None or agent_name not in config.agents:
        return None
    place, store = Place(agent_name, path), store_of(path, os.environ)
    for finding in check_agent(place, config.agents[agent_name], {}, os.environ, runs=True, store=store):
        if finding.name == LOGIN.format(agent_name):
            if finding.remedy is not None and CAUTION in finding.remedy:
                return True
            return False if finding.status is Status.OK else None
    return None
