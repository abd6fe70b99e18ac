// What opcua.js has with --truth: variables whose every value says which it is and when it was so, so that a wrong one is
// known by itself. Its other half, which judges them, is shoptwin.testing.faults.opcua.
//
// The generation is the number of periods of GENERATION ms since --truth (ms since 1970, a clock that both have); value,
// status and source time of a variable are functions of its number and the generation.
"use strict";

const { DataType, Variant, VariantArrayType } = require("node-opcua-variant");
const { StatusCodes } = require("node-opcua-status-code");
const { DataValue } = require("node-opcua-data-value");

const GENERATION = 20;
const SAMPLES = 64;

const scalar = (dataType, value) => ({ dataType, arrayType: VariantArrayType.Scalar, value });
const KINDS = [
  (n, g) => scalar(DataType.Double, 64 * g + n + 0.5),
  (n, g) => scalar(DataType.UInt32, 64 * g + n),
  (n, g) => scalar(DataType.Int64, [256, 64 * g + n]), // node-opcua keeps 64 bits as [high, low]
  (n, g) => scalar(DataType.String, `${n}:${g}`),
  (n, g) => ({
    dataType: DataType.Float, arrayType: VariantArrayType.Array,
    value: Float32Array.from({ length: SAMPLES }, (_, i) => (i === 0 ? g : i === 1 ? n : (7 * g + 131 * n + 17 * i) % 8192)),
  }),
  (n, g) => scalar(DataType.Double, 64 * g + n + 0.25), // in a bad mood at times
];
const MOODY = KINDS.length - 1;

function statusOf(n, g) {
  if (n % KINDS.length !== MOODY) return StatusCodes.Good;
  const mood = (g + n) % 5;
  return mood === 0 ? StatusCodes.BadSensorFailure : mood === 1 ? StatusCodes.UncertainLastUsableValue : StatusCodes.Good;
}

function valueOf(n, since) {
  const g = Math.floor((Date.now() - since) / GENERATION);
  return new DataValue({
    value: new Variant(KINDS[n % KINDS.length](n, g)),
    statusCode: statusOf(n, g),
    sourceTimestamp: new Date(since + g * GENERATION),
    serverTimestamp: new Date(),
  });
}

// Adds the variables `first` to `last - 1` of a namespace, with the numbers that come `shift` after theirs.
exports.addTruth = (namespace, since, first, last, shift) => {
  for (let i = first; i < last; i++) {
    const n = i + shift;
    const { dataType, arrayType } = KINDS[n % KINDS.length](n, 0);
    const isArray = arrayType === VariantArrayType.Array;
    const node = namespace.addVariable({
      organizedBy: "ObjectsFolder", browseName: `t${i}`, nodeId: `s=t${i}`, dataType, valueRank: isArray ? 1 : -1,
      minimumSamplingInterval: 10, value: { timestamped_get: () => valueOf(n, since) },
    });
    if (isArray)
      namespace.addVariable({
        propertyOf: node, browseName: "SamplingRate", dataType: DataType.Double,
        value: { dataType: DataType.Double, value: 1000 },
      });
  }
};
