"""Decides whether a request to the AWS APIs is allowed, by the policies that apply to its sender."""
