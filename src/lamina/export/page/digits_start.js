const model = JSON.parse(textOf("model"));
const network = new Network(model, bytesOf(textOf("weights")).buffer);
window.lamina = { model, network, normalizeDigit, drawing: digitsPage(model, network) };
