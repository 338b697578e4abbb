/** Catches what breaks while a page is drawn, or when its code cannot be loaded after an upgrade. */

import { Button, Stack } from "@mantine/core";
import { Component, type ReactNode } from "react";

import { Failure } from "../elements/page";

export class Boundary extends Component<{ children: ReactNode }, { problem: Error | null }> {
  override state = { problem: null };

  static getDerivedStateFromError(problem: Error) {
    return { problem };
  }

  override render() {
    if (!this.state.problem) return this.props.children;
    return (
      <Stack align="flex-start">
        <Failure error={this.state.problem} title="This page failed to load" />
        <Button variant="default" onClick={() => location.reload()}>
          Reload page
        </Button>
      </Stack>
    );
  }
}
