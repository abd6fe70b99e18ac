"""The practice plant: machines of physics, or recorded ones, behind real Modbus and OPC UA servers on loopback.

`plant` is what the entry point group `shoptwin.plants` names. Importing this loads neither protocol library.
"""

from shoptwin_plant.info import ClockInfo, MachineInfo, PlantInfo, PlantOptions, TagInfo
from shoptwin_plant.plant import PracticePlant

plant = PracticePlant()

__all__ = ["ClockInfo", "MachineInfo", "PlantInfo", "PlantOptions", "PracticePlant", "TagInfo", "plant"]
