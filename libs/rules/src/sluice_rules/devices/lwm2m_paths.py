"""Resources of the objects Device, Connectivity Monitoring and Firmware Update that upgrades use (OMA TS 1.1.1 §E)."""

VERSION = "/3/0/3"
RADIO, BEARER, RSRP, LINK_QUALITY, CELL_ID = "/4/0", "/4/0/0", "/4/0/2", "/4/0/3", "/4/0/8"
PACKAGE, PACKAGE_URI, UPDATE, STATE, RESULT = "/5/0/0", "/5/0/1", "/5/0/2", "/5/0/3", "/5/0/5"
PACKAGE_VERSION = "/5/0/7"
