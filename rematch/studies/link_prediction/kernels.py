"""Compiled loops for graphs on the CPU: neighbour sums, dot products of node pairs, common-neighbour scores.

All of them are serial and visit rows in a fixed order, so equal inputs give equal bits. Sums over neighbours run over
64 columns at a time: 4,267 nodes x 64 columns x 4 bytes = 1.1 MB stays in the second-level cache, where all 256
columns would not.
"""

import numba
import numpy as np

_SUM = dict(cache=True, nogil=True, fastmath={"contract"})
# A dot product vectorises only if its terms may be reordered. Allowed where a loop only reads: one that writes as well
# keeps a scalar twin for arrays that lie close together, which would round differently from address to address.
_DOT = dict(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
BLOCK = 64
_WIDTH = 64  # lanes; a product of 64 factors in (1, 2] stays below 2^64, far from the largest float32


@numba.njit(**_SUM)
def neighbour_sum(indptr, indices, x, scale, out):
    """Fills `out` (n, d) with D A D x for a 0/1 pattern A in CSR form and D = diag(`scale`); x (n, d), C-ordered
    float32."""
    n, d = x.shape
    columns = np.empty((n, BLOCK), np.float32)
    total = np.empty(BLOCK, np.float32)
    for start in range(0, d, BLOCK):
        width = min(BLOCK, d - start)
        for i in range(n):
            for c in range(width):
                columns[i, c] = x[i, start + c] * scale[i]
            for c in range(width, BLOCK):
                columns[i, c] = 0.0
        for i in range(n):
            total[:] = 0.0
            k, stop = indptr[i], indptr[i + 1]
            # Eight neighbours a round: the running totals are read and written once for eight additions.
            while k + 8 <= stop:
                a, b, e, f = (
                    columns[indices[k]],
                    columns[indices[k + 1]],
                    columns[indices[k + 2]],
                    columns[indices[k + 3]],
                )
                g, h, p, q = (
                    columns[indices[k + 4]],
                    columns[indices[k + 5]],
                    columns[indices[k + 6]],
                    columns[indices[k + 7]],
                )
                for c in range(BLOCK):
                    total[c] += ((a[c] + b[c]) + (e[c] + f[c])) + ((g[c] + h[c]) + (p[c] + q[c]))
                k += 8
            while k < stop:
                a = columns[indices[k]]
                for c in range(BLOCK):
                    total[c] += a[c]
                k += 1
            for c in range(width):
                out[i, start + c] = total[c] * scale[i]


@numba.njit(cache=True, nogil=True)
def pair_rows(pairs, n):
    """CSR rows of both directions of every pair: (indptr (n + 1,), other end (2p,), slot (2p,)).

    `slot` is the pair's number where the row is the pair's first end, and its bitwise complement where it is the
    second.
    """
    p = pairs.shape[0]
    indptr = np.zeros(n + 1, np.int64)
    for k in range(p):
        indptr[pairs[k, 0] + 1] += 1
        indptr[pairs[k, 1] + 1] += 1
    for i in range(n):
        indptr[i + 1] += indptr[i]
    cursor = indptr[:-1].copy()
    other = np.empty(2 * p, np.int32)
    slot = np.empty(2 * p, np.int32)
    for k in range(p):
        u, v = pairs[k, 0], pairs[k, 1]
        other[cursor[u]], slot[cursor[u]] = v, k
        cursor[u] += 1
        other[cursor[v]], slot[cursor[v]] = u, ~k
        cursor[v] += 1
    return indptr, other, slot


@numba.njit(**_DOT)
def pair_dots(indptr, other, slot, h, right, out):
    """Fills `out` (p,) with the dot products of a row of h (n, d) and one of `right` (n, d) for every pair."""
    d = h.shape[1]
    for i in range(h.shape[0]):
        row = h[i]
        for k in range(indptr[i], indptr[i + 1]):
            if slot[k] >= 0:
                column = right[other[k]]
                total = np.float32(0.0)
                for c in range(d):
                    total += row[c] * column[c]
                out[slot[k]] = total


@numba.njit(**_SUM)
def pair_dots_backward(indptr, other, slot, gradient, h, out):
    """Fills `out` (n, d) with the gradient of the rows of h, given that of the dot products (p,)."""
    out[:] = 0.0
    d = h.shape[1]
    for i in range(h.shape[0]):
        row = out[i]
        k, stop = indptr[i], indptr[i + 1]
        while k + 4 <= stop:
            a, b, e, f = h[other[k]], h[other[k + 1]], h[other[k + 2]], h[other[k + 3]]
            ga, gb = gradient[max(slot[k], ~slot[k])], gradient[max(slot[k + 1], ~slot[k + 1])]
            ge, gf = gradient[max(slot[k + 2], ~slot[k + 2])], gradient[max(slot[k + 3], ~slot[k + 3])]
            for c in range(d):
                row[c] += (ga * a[c] + gb * b[c]) + (ge * e[c] + gf * f[c])
            k += 4
        while k < stop:
            a, ga = h[other[k]], gradient[max(slot[k], ~slot[k])]
            for c in range(d):
                row[c] += ga * a[c]
            k += 1


@numba.njit(cache=True, nogil=True)
def kept_rows(indptr, indices, edge, keep):
    """The CSR rows (indptr, indices) of the edges whose `keep` is true; `edge` numbers the edge behind every entry."""
    n = indptr.shape[0] - 1
    fresh = np.empty(n + 1, np.int64)
    fresh[0] = 0
    columns = np.empty(indices.shape[0], indices.dtype)
    count = 0
    for i in range(n):
        for k in range(indptr[i], indptr[i + 1]):
            columns[count] = indices[k]
            count += keep[edge[k]]
        fresh[i + 1] = count
    return fresh, columns[:count]


@numba.njit(cache=True, nogil=True)
def common_neighbour_sums(indptr, indices, pairs, weight):
    """For every pair (p, 2) the float64 sum of `weight` (n,) over the nodes that are neighbours of both ends."""
    out = np.zeros(pairs.shape[0])
    for k in range(pairs.shape[0]):
        a, a_stop = indptr[pairs[k, 0]], indptr[pairs[k, 0] + 1]
        b, b_stop = indptr[pairs[k, 1]], indptr[pairs[k, 1] + 1]
        total = 0.0
        while a < a_stop and b < b_stop:
            if indices[a] == indices[b]:
                total += weight[indices[a]]
                a += 1
                b += 1
            elif indices[a] < indices[b]:
                a += 1
            else:
                b += 1
        out[k] = total
    return out


@numba.njit(cache=True, nogil=True)
def are_edges(indptr, indices, pairs):
    """Whether each pair (p, 2) is an edge, by binary search in sorted CSR rows; a node with itself counts as one."""
    out = np.empty(pairs.shape[0], np.bool_)
    for k in range(pairs.shape[0]):
        u, v = pairs[k, 0], pairs[k, 1]
        low, high = indptr[u], indptr[u + 1]
        stop = high
        while low < high:
            middle = (low + high) // 2
            if indices[middle] < v:
                low = middle + 1
            else:
                high = middle
        out[k] = u == v or (low < stop and indices[low] == v)
    return out


@numba.njit(**_SUM)
def upper_slopes(scores, weight):
    """Turns scores s (r, c) right of the diagonal into weight * sigmoid(s), the rest into 0; weight * sum
    softplus(s), float64.

    exp(-|s|) by range reduction and the Cephes polynomial (error below 2e-7), all in arithmetic that vectorises:
    library calls of exp and log1p for every pair would cost eight times as much. One logarithm serves 64 pairs:
    sum log(1 + e) = log prod. Sums and products run in 64 lanes, so that they vectorise in the order written.
    """
    f, one = np.float32, np.float32(1.0)
    rows, columns = scores.shape
    exponent = np.empty(_WIDTH, np.int32)
    power = exponent.view(np.float32)  # the bits of 2^-n written as whole numbers
    tail, total, product = np.empty(_WIDTH, np.float32), np.empty(_WIDTH, np.float32), np.empty(_WIDTH, np.float32)
    loss = 0.0
    for i in range(rows):
        row = scores[i]
        row[: i + 1] = 0.0
        total[:], product[:] = 0.0, 1.0
        done = 0
        for start in range(i + 1, columns, _WIDTH):
            width = min(_WIDTH, columns - start)
            for c in range(width):
                x = min(abs(row[start + c]), f(87.0))
                n = np.int32(x * f(1.44269504) + f(0.5))
                r = f(n) * f(0.693359375) - x + f(n) * f(-2.12194440e-4)
                exponent[c] = (np.int32(127) - n) << np.int32(23)
                p = f(1.9875691500e-4) * r + f(1.3981999507e-3)
                p = (p * r + f(8.3334519073e-3)) * r + f(4.1665795894e-2)
                p = (p * r + f(1.6666665459e-1)) * r + f(5.0000001201e-1)
                tail[c] = p * r * r + r + one
            for c in range(width):
                s, e = row[start + c], tail[c] * power[c]
                total[c] += max(s, f(0.0))
                product[c] *= one + e
                q = one / (one + e)
                row[start + c] = weight * (q if s >= 0 else e * q)
            done += 1
            if done == _WIDTH or start + _WIDTH >= columns:
                for c in range(_WIDTH):
                    loss += np.float64(total[c]) + np.log(np.float64(product[c]))
                total[:], product[:] = 0.0, 1.0
                done = 0
    return loss * weight


@numba.njit(cache=True, nogil=True)
def edge_scores(indptr, indices, start, scores):
    """The scores of a tile (r, n - start) at the edges of rows start .. start + r to columns beyond their row, (k,)."""
    out = np.empty(indptr[start + scores.shape[0]] - indptr[start], np.float32)
    k = 0
    for i in range(scores.shape[0]):
        for at in range(indptr[start + i], indptr[start + i + 1]):
            if indices[at] > start + i:
                out[k] = scores[i, indices[at] - start]
                k += 1
    return out[:k]


@numba.njit(cache=True, nogil=True)
def without_edges(indptr, indices, start, scores, slopes, weight):
    """Sets the slopes (r, n - start) at edges to 0; returns weight times the sum of softplus at their scores (k,)."""
    lost, k = 0.0, 0
    for i in range(slopes.shape[0]):
        for at in range(indptr[start + i], indptr[start + i + 1]):
            if indices[at] > start + i:
                s = np.float64(scores[k])
                lost += np.log1p(np.exp(-abs(s))) + max(s, 0.0)
                slopes[i, indices[at] - start] = 0.0
                k += 1
    return weight * lost


@numba.njit(cache=True, nogil=True)
def positive_slopes(indptr, indices, start, scores, slopes, weight):
    """Sets the slopes (r, n - start) at edges to -weight sigmoid(-s); returns weight times the sum of softplus(-s)."""
    lost, k = 0.0, 0
    for i in range(slopes.shape[0]):
        for at in range(indptr[start + i], indptr[start + i + 1]):
            if indices[at] > start + i:
                s = np.float64(scores[k])
                e = np.exp(-abs(s))
                lost += np.log1p(e) + max(-s, 0.0)
                slopes[i, indices[at] - start] = -weight * (e if s >= 0 else 1.0) / (1 + e)
                k += 1
    return weight * lost
