"""The shop on what was deployed from its template: what must hold wherever that is."""

import json
import subprocess

from run import ROOT, Failed, audit, check, run

# `topology diff`'s exit code where something differs.
DRIFT = 1
FILTER = '{"type": ["order.placed"]}'


class Shop:
    """The shop's command, and what it was run for."""

    def __init__(self, command, folder, env, aws, stock):
        self.command, self.folder, self.env, self.aws, self.stock = command, folder, env, aws, stock
        self.placed = 0

    def exact(self, orders):
        """Places orders, others than before, and audits what came of all of them."""
        header, *bundled = (ROOT / "examples" / "shop" / "data" / "orders.csv").read_text().splitlines()
        sent = "\n".join([header, *bundled[self.placed : self.placed + orders]])
        self.placed += orders
        said = run([self.command, "place", "--orders", "-"], self.folder, self.env, 120, input=sent)
        check(f"{orders} orders are placed", said.startswith(f"{orders} orders placed"), said)
        report = audit(self.command, self.folder, self.env, self.aws, self.stock)
        shown = json.dumps(report)
        check("the audit is exact", report["orders"] == report["terminal"] == self.placed, shown)
        check("nothing is lost or doubled", report["lost"] == report["doubled"] == 0, shown)
        dead = sum(consumer["dead"] for consumer in report["consumers"].values())
        check("nothing is a dead letter", dead == 0, shown)

    def drift(self):
        """The lines that `topology diff` has for what differs, and its exit code."""
        done = subprocess.run(
            [self.command, "topology", "diff"],
            cwd=self.folder,
            env=self.env,
            timeout=120,
            capture_output=True,
            text=True,
        )
        if " as the code says" not in done.stdout:
            raise Failed(f"`topology diff` failed ({done.returncode}):\n{done.stdout}{done.stderr}")
        lines = [line for line in done.stdout.splitlines() if line.startswith(("added ", "removed ", "changed "))]
        return lines, done.returncode

    def no_drift(self):
        lines, code = self.drift()
        shown = "\n".join(lines)
        check("`topology diff` finds no drift, and says so by its exit code", not lines and code == 0, shown)

    def drift_is_named(self):
        """Changes by hand what a subscription lets through, and changes it back."""
        listed = self.aws.all("sns", "list_subscriptions", "Subscriptions")
        ends = (":shop-orders", ":shop-orders-view")
        own = next(each for each in listed if (each["TopicArn"][-12:], each["Endpoint"][-17:]) == ends)
        which = {"SubscriptionArn": own["SubscriptionArn"]}
        before = self.aws.sns.get_subscription_attributes(**which)["Attributes"]["FilterPolicy"]
        self.aws.sns.set_subscription_attributes(**which, AttributeName="FilterPolicy", AttributeValue=FILTER)
        lines, code = self.drift()
        expected = "changed   subscription shop-orders to shop-orders-view: FilterPolicy is "
        shown = "\n".join(lines)
        check(f"a filter changed by hand is named: {shown}", len(lines) == 1 and lines[0].startswith(expected), shown)
        check("and `topology diff` fails", code == DRIFT, code)
        self.aws.sns.set_subscription_attributes(**which, AttributeName="FilterPolicy", AttributeValue=before)
        self.no_drift()
