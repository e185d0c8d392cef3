const { dates, numbers } = JSON.parse(textOf("model"));
const readDate = dateReader(dates), readNumber = numberReader(numbers);
const model = JSON.parse(textOf("model"));
const network = new Network(model, bytesOf(textOf("weights")).buffer);
window.lamina = { model, network, form: tablePage(model, network) };
