"""How fast an experiment trains on this machine, under the settings that matter."""
