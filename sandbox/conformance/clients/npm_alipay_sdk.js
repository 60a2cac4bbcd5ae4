// npm alipay-sdk, the official one for Node. A command in, what the client made of it out, each a
// line of JSON.

"use strict";

const { createInterface } = require("node:readline");
const { AlipaySdk } = require("alipay-sdk");

async function run({ account, ...command }) {
  const client = new AlipaySdk({
    appId: account.app_id,
    privateKey: account.private_key,
    alipayPublicKey: account.alipay_public_key,
    signType: account.sign_type,
    gateway: account.gateway,
    camelcase: false,
  });
  if (command.do === "verify") {
    return { genuine: client.checkNotifySignV2(command.fields) };
  }
  const { notify_url: notifyUrl, return_url: returnUrl } = command.public;
  const parameters = { bizContent: command.biz };
  if (notifyUrl) parameters.notifyUrl = notifyUrl;
  if (returnUrl) parameters.returnUrl = returnUrl;
  if (command.do === "page") {
    return { page: client.pageExecute(command.method, command.verb, parameters) };
  }
  const answer = await client.exec(command.method, parameters, { validateSign: true });
  const { traceId: trace_id, ...node } = answer;
  return { node, trace_id };
}

async function converse() {
  for await (const line of createInterface({ input: process.stdin })) {
    const answer = await run(JSON.parse(line)).catch((error) => ({
      error: error.constructor.name,
      words: error.message,
    }));
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
}

converse();
