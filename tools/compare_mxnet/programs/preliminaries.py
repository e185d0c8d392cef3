"""The book's first pages: arrays, broadcasting, parts, memory, linear algebra, derivatives, probability."""

from mxnet import autograd, np, npx

npx.set_np()
x = np.arange(12)
X = x.reshape(3, 4)
seen = [x, x.shape, x.size, X, np.zeros((2, 3, 4)), np.ones((2, 3)), np.array([[2, 1], [1, 2]])]
x, y = np.array([1, 2, 4, 8]), np.array([2, 2, 2, 2])
seen += [x + y, x - y, x * y, x / y, x**y, np.exp(x)]
X = np.arange(12).reshape(3, 4)
Y = np.array([[2, 1, 4, 3], [1, 2, 3, 4], [4, 3, 2, 1]])
seen += [np.concatenate([X, Y], axis=0), np.concatenate([X, Y], axis=1), X == Y, X.sum()]
a, b = np.arange(3).reshape(3, 1), np.arange(2).reshape(1, 2)
seen += [a + b, X[-1], X[1:3]]
X[1, 2] = 9
X[0:2, :] = 12
seen.append(X.copy())
before = id(Y)
Y += X
seen.append(id(Y) == before)
Z = np.zeros_like(Y)
Z[:] = X + Y
a = np.array([3.5])
seen += [Z, type(X.asnumpy()).__name__, a.item(), float(a), int(a)]
A = np.arange(20).reshape(5, 4)
B = np.array([[1, 2, 3], [2, 0, 4], [3, 4, 5]])
seen += [
    A.T,
    B == B.T,
    A + A.copy(),
    A * A,
    A.sum(axis=0),
    A.sum(axis=[0, 1]) if False else A.sum(axis=(0, 1)),
]
seen += [
    A.mean(),
    A.sum() / A.size,
    A.mean(axis=0),
    A.sum(axis=1, keepdims=True),
    A / A.sum(axis=1, keepdims=True),
]
seen += [
    A.cumsum(axis=0),
    np.dot(np.arange(4), np.ones(4)),
    np.dot(A, np.arange(4)),
    np.dot(A, np.ones((4, 3))),
]
seen += [np.linalg.norm(np.array([3, -4])), np.abs(np.array([3, -4])).sum(), np.linalg.norm(np.ones((4, 9)))]
x = np.arange(4.0)
x.attach_grad()
seen.append(x.grad.copy())
with autograd.record():
    y = 2 * np.dot(x, x)
y.backward()
seen += [y, x.grad.copy(), x.grad == 4 * x]
with autograd.record():
    y = x.sum()
y.backward()
seen.append(x.grad.copy())
with autograd.record():
    y = x * x
    u = y.detach()
    z = u * x
z.backward()
seen.append(x.grad == u)


def f(a):
    b = a * 2
    while np.linalg.norm(b) < 1000:
        b = b * 2
    return b if b.sum() > 0 else 100 * b


a = np.array(0.7)
a.attach_grad()
with autograd.record():
    d = f(a)
d.backward()
seen += [a.grad == d / a, d]
counts = np.random.multinomial(1000, [1.0 / 6] * 6)
cum_counts = np.random.multinomial(10, [1.0 / 6] * 6, size=500).astype(np.float32).cumsum(axis=0)
estimates = cum_counts / cum_counts.sum(axis=1, keepdims=True)
seen += [counts.sum(), estimates.shape, bool((np.abs(estimates[-1] - 1 / 6) < 0.03).all())]
results = seen
