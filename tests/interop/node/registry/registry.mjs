// Drives Node's clients of schema registries for the tests: one JSON object a line comes in, one goes out.
//
//   {"client": "confluent", "url": URL, "call": METHOD, "with": [ARGUMENT…]}
//   {"client": "confluent", "methods": true}
//   {"client": "confluent", "url": URL, "write": DATA, "language": L, "topic": T, "conf": {…}, "files": F, "message": M}
//   {"client": "confluent", "url": URL, "read": BASE64, "language": L, "topic": T, "conf": {…}, "headers": {…}, "files": F}
//   {"client": "kafkajs", "url": URL, "call": METHOD, "with": [ARGUMENT…], "options": {…}}
//
// L is AVRO, JSON or PROTOBUF; F is a FileDescriptorSet in base64, in place of generated code, and M the name of a
// message in it. Bytes are {"base64": TEXT} both ways. The answer is {"ok": RESULT} or {"error": {…}}.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.env.INTEROP_MODULES}/`); // they are installed outside of the tree
const confluent = require("@confluentinc/schemaregistry");
const kafkajs = require("@kafkajs/confluent-schema-registry");
const { createFileRegistry, createMutableRegistry, fromBinary, fromJson, toJson } = require("@bufbuild/protobuf");
const { FileDescriptorSetSchema } = require("@bufbuild/protobuf/wkt");

const { KEY, VALUE } = confluent.SerdeType;
const SERIALIZERS = { AVRO: confluent.AvroSerializer, JSON: confluent.JsonSerializer, PROTOBUF: confluent.ProtobufSerializer };
const DESERIALIZERS = { AVRO: confluent.AvroDeserializer, JSON: confluent.JsonDeserializer, PROTOBUF: confluent.ProtobufDeserializer };
// where a schema's id stands is chosen by functions, which JSON has no word for
const FUNCTIONS = { HeaderSchemaIdSerializer: confluent.HeaderSchemaIdSerializer };

function packed(value) {
  if (Buffer.isBuffer(value) || value instanceof Uint8Array) return { base64: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(packed);
  if (value instanceof Map) return packed(Object.fromEntries(value));
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, packed(each)]));
  }
  return typeof value === "bigint" ? Number(value) : value;
}

function unpacked(value) {
  if (Array.isArray(value)) return value.map(unpacked);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.base64 === "string") return Buffer.from(value.base64, "base64");
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, unpacked(each)]));
}

function described(files) {
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(files, "base64")));
}

function configured(conf = {}) {
  const { schemaIdSerializer, ...rest } = conf;
  return schemaIdSerializer ? { ...rest, schemaIdSerializer: FUNCTIONS[schemaIdSerializer] } : rest;
}

async function ofConfluent({ url, ...asked }) {
  if (asked.methods) return Object.getOwnPropertyNames(confluent.SchemaRegistryClient.prototype);
  // without its own retries, tests see each answer; those that want them say so
  const client = new confluent.SchemaRegistryClient({ baseURLs: url.split(","), maxRetries: 0, ...asked.settings });
  if (asked.call) return client[asked.call](...asked.with);
  const serde = asked.key ? KEY : VALUE;
  const files = asked.files && described(asked.files);
  if ("write" in asked) {
    let conf = configured(asked.conf);
    let data = asked.write;
    if (files) {
      conf = { ...conf, registry: createMutableRegistry(...files) };
      data = fromJson(files.getMessage(asked.message), data);
    }
    const headers = {};
    const value = await new SERIALIZERS[asked.language](client, serde, conf).serialize(asked.topic, data, headers);
    return { value, headers };
  }
  const deserializer = new DESERIALIZERS[asked.language](client, serde, configured(asked.conf));
  const data = await deserializer.deserialize(asked.topic, asked.read, asked.headers);
  return files ? toJson(files.getMessage(data.$typeName), data, { useProtoFieldName: true }) : data;
}

async function ofKafkajs({ url, call, with: given, options }) {
  return new kafkajs.SchemaRegistry({ host: url, retry: { retries: 0 } }, options)[call](...given);
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const asked = unpacked(JSON.parse(line));
    answer = { ok: packed(await (asked.client === "confluent" ? ofConfluent : ofKafkajs)(asked)) ?? null };
  } catch (error) {
    const { status, errorCode, name, message } = error;
    answer = { error: { status, code: errorCode, name, message } };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
