// What opcua.js has with --companion and --plant: machines that describe themselves, and a folder full of variables.
"use strict";

const { DataType } = require("node-opcua-variant");
const { makeEUInformation } = require("node-opcua-data-access");
const { nodesets: files } = require("node-opcua-nodesets");

const UNITS = {
  degC: ["CEL", "°C", "degree Celsius"],
  A: ["AMP", "A", "ampere"],
  kW: ["KWT", "kW", "kilowatt"],
  rpm: ["RPM", "1/min", "revolutions per minute"],
  "mm/s": ["C16", "mm/s", "millimetre per second"],
  bar: ["BAR", "bar", "bar"],
};

exports.nodesets = () => [
  files.standard, files.di, files.isa95JobControl, files.ia, files.machinery, files.machineryJobs, files.machineTool,
];

function analog(namespace, folder, name, unit, range, value) {
  return namespace.addAnalogDataItem({
    componentOf: folder, browseName: name, nodeId: `s=${folder.browseName.name}.${name}`, dataType: DataType.Double,
    engineeringUnitsRange: range, engineeringUnits: makeEUInformation(...UNITS[unit]),
    value: { dataType: DataType.Double, value },
  });
}

exports.addMachines = (space, namespace) => {
  const at = (uri) => space.getNamespaceIndex(`http://opcfoundation.org/UA/${uri}/`);
  const type = (name, uri) => space.findObjectType(name, at(uri));
  const text = (parent, name, value) => {
    const found = parent.getPropertyByName(name);
    const dataType = found.dataType.value === 21 ? DataType.LocalizedText : DataType.String;
    found.setValueFromSource({ dataType, value: dataType === DataType.String ? value : { text: value } });
  };

  // A machine tool, listed among the Machines.
  const tool = type("MachineToolType", "MachineTool").instantiate({
    browseName: { namespaceIndex: namespace.index, name: "Mill-7" }, nodeId: `ns=${namespace.index};s=Mill-7`,
    organizedBy: space.findNode(`ns=${at("Machinery")};i=1001`), namespace,
    optionals: ["Identification.Model", "Identification.YearOfConstruction"],
  });
  const identification = tool.getChildByName("Identification");
  text(identification, "Manufacturer", "Acme Werkzeugmaschinen");
  text(identification, "Model", "M 700");
  text(identification, "SerialNumber", "0815-4711");
  const monitoring = tool.getChildByName("Monitoring");
  const spindle = namespace.addObject({ componentOf: monitoring, browseName: "Spindle", nodeId: "s=Spindle" });
  analog(namespace, spindle, "Temperature", "degC", { low: 0, high: 120 }, 41.5);
  analog(namespace, spindle, "Drehzahl", "rpm", { low: 0, high: 12000 }, 8000);

  // A press of its maker's own type, with what people ask for.
  const press = namespace.addObject({
    organizedBy: "ObjectsFolder", browseName: "Presse 3", nodeId: "s=Presse3",
  });
  analog(namespace, press, "Stromaufnahme", "A", { low: 0, high: 60 }, 17.25);
  analog(namespace, press, "Schwingung Lager A", "mm/s", { low: 0, high: 50 }, 1.8);
  const state = namespace.addMultiStateDiscrete({
    componentOf: press, browseName: "Betriebszustand", nodeId: "s=Presse3.Zustand",
    enumStrings: ["aus", "Stillstand", "läuft"], value: 2,
  });
  // A way round: the state's folder lists the press again.
  const loop = namespace.addObject({ componentOf: press, browseName: "Linie", nodeId: "s=Linie" });
  loop.addReference({ referenceType: "Organizes", nodeId: press });
  return state;
};

exports.addPlant = (namespace, count) => {
  const names = Object.keys(UNITS);
  let folder = null;
  for (let i = 0; i < count; i++) {
    if (i % 100 === 0)
      folder = namespace.addObject({ organizedBy: "ObjectsFolder", browseName: `Cell ${i / 100}`, nodeId: `s=Cell${i / 100}` });
    analog(namespace, folder, `Value ${i}`, names[i % names.length], { low: 0, high: 100 }, i);
  }
};
