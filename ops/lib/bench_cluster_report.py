"""The figures of `ops/bench cluster` as a table in Markdown, beside their bounds and the aims of the roadmap."""


def rows(results):
    """What, figure, bound, whether it is kept, aim."""
    for name, change in results["changes"].items():
        served, sent = change["served"], change["bytes"]
        yield f"{name}: write → served at both nodes, ms", f"{served['median']:.1f} median, {served['p99']:.1f} p99, {served['max']:.1f} most", "p99 ≤ 1,000", served["p99"] <= 1000, "p99 ≤ 20"
        bound = 2 * change["document"] if "document" in change else 65_536
        yield f"{name}: sent to a node, bytes", f"{sent['median']:,.0f} median, {sent['max']:,} most", f"≤ {bound:,}" + (" (twice its document)" if "document" in change else ""), sent["max"] <= bound, ""
        yield f"{name}: the write itself, ms", f"{change['write']['median']:.1f} median, {change['write']['p99']:.1f} p99", "", None, ""
    for writers, row in results["writes"].items():
        yield f"durable PUTs a second, {writers} writers", f"{row['perSecond']:.0f} ({row['median']:.1f} ms median, {row['p99']:.1f} p99)", "", None, "≥ 1,000" if int(writers) == 64 else ""
    for name, row in results["load"].items():
        yield f"loading {row['count']:,} {name}, 8 writers", f"{row['seconds']:.1f} s ({row['perSecond']:.0f} a second)", "", None, ""
    for name, row in results["reads"].items():
        yield f"{name}, ms", f"{row['median']:.1f} median, {row['p99']:.1f} p99", "", None, ""
    for name, row in results["memory"].items():
        yield f"memory of {name}, MB", f"{row['now']} now, {row['peak']} at most", "", None, ""
    yield "database, MB", f"{results['database'] / 1e6:.1f}", "", None, ""
    for name, row in results["coldStart"].items():
        yield f"cold start of a node from {'its disk' if name == 'disk' else 'the controller'}, s", f"{row['seconds']:.2f} ({row['cpuSeconds']:.2f} of CPU)", "≤ 3", row["seconds"] <= 3, "≤ 1"
        yield "its memory at most, MB", f"{row['peak']}", "≤ 400", row["peak"] <= 400, "≤ 150"
    if agents := results.get("agents"):
        yield (f"{agents['agents']} simulated nodes: write → the last one has it, ms", f"{agents['last']['median']:.1f} median, {agents['last']['p99']:.1f} p99", "p99 ≤ 1,000",
               agents["last"]["p99"] <= 1000, "1,000 nodes p99 ≤ 20")
    calls = results["calls"]
    yield "calls meanwhile", f"{calls['made']:,}, {len(calls['failed'])} failed ({calls['latency']['median']:.1f} ms median, {calls['latency']['p99']:.1f} p99)", "none fails", not calls["failed"], ""


def table(results):
    lines = ["| what | measured | bound | | aim of the roadmap |", "|---|---|---|---|---|"]
    for what, figure, bound, is_kept, aim in rows(results):
        lines.append(f"| {what} | {figure} | {bound} | {'' if is_kept is None else 'held' if is_kept else '**not held**'} | {aim} |")
    return "\n".join(lines)


def page(results, command, build):
    counts = ", ".join(f"{count:,} {name}" for name, count in results["counts"].items())
    return f"""# A cluster with many APIs and keys

`{command}`, {build}, {results['cores']} cores that the controller, both nodes, the callers, the
writers and the simulated nodes share. Loaded over REST: {counts}; every API has 10 operations and every subscription two keys.
A change is timed from the answer of its write to the first call that is served by it at the slower of two nodes, which answer calls meanwhile; bytes are what
the stream and blobs brought to a node (`gatehouse_controller_bytes_received_total`). The simulated nodes are in one process in Python, each with a certificate of its own.

{table(results)}
"""
