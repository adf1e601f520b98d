"""What must hold of landed orders and of the marts: rules, each with its statement, and what they count."""
