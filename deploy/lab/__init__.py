"""The lab: real routing daemons in network namespaces, and a story that they play."""
